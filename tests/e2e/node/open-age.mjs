// node open-age.mjs PACKAGES IDENTITY FILE: decrypts FILE with the npm package age-encryption.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [packages, identity, file] = process.argv.slice(2);
const entry = createRequire(`${packages}/package.json`).resolve("age-encryption");
const { Decrypter } = await import(pathToFileURL(entry));

const decrypter = new Decrypter();
for (const line of readFileSync(identity, "utf8").split("\n")) {
  if (line.startsWith("AGE-SECRET-KEY-")) decrypter.addIdentity(line.trim());
}
process.stdout.write(await decrypter.decrypt(readFileSync(file)));
