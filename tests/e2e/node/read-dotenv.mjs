// node read-dotenv.mjs PACKAGE FILE...: what the dotenv of PACKAGE reads from each file, as one JSON array.
// The file is read and parsed with the two calls that the gateway uses.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [from, ...files] = process.argv.slice(2);
const dotenv = createRequire(`${from}/package.json`)("dotenv");
process.stdout.write(JSON.stringify(files.map((file) => dotenv.parse(readFileSync(file, "utf8")))));
