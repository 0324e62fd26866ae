// Changes the gateway's databases of credentials with the gateway's own code, under its own locks. Run by
// the gateway's Node as `node --input-type=module -e THIS PACKAGE`; a request comes on standard input:
//
//   {"stores": [{"dir": string | null, "expect": {id: credential | null}, "put": {id: credential}, "remove": [id],
//                "order": {provider: [id] | null}}], "compact": [path]}
//
// `dir` is the directory of an agent, null the store that agents share. A store is left as it is if a profile is not
// what is expected any more. `compact` are databases that are to hold nothing of what was deleted in them. Answers
// with what became of each store: {"stores": ["done" | "changed" | "busy"]}.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { readFileSync } from "node:fs";

const resolve = createRequire(`${process.argv[1]}/package.json`).resolve;
const sdk = await import(pathToFileURL(resolve("openclaw/plugin-sdk/provider-auth")).href);
const request = JSON.parse(readFileSync(0, "utf8"));
const stores = [];
const canonical = (value) =>
  value && typeof value === "object" && !Array.isArray(value)
    ? Object.fromEntries(Object.keys(value).sort().map((name) => [name, canonical(value[name])]))
    : value;
// What counts is the secret or the reference: other members are normalised when a store is read.
const core = (credential) =>
  credential ? [credential.key ?? credential.apiKey, credential.keyRef, credential.token, credential.tokenRef, credential.refresh] : null;
const same = (one, other) => JSON.stringify(core(one)?.map(canonical)) === JSON.stringify(core(other)?.map(canonical));
for (const { dir, expect, put, remove, order } of request.stores) {
  let meanwhile = false;
  const changed = await sdk.updateAuthProfileStoreWithLock({
    agentDir: dir ?? undefined,
    sharedStoreWrite: dir === null,
    saveOptions: {
      filterExternalAuthProfiles: false,
      syncExternalCli: false,
      preserveOrderProfileIds: Object.values(order).flatMap((ids) => ids ?? []),
    },
    updater: (store) => {
      meanwhile = Object.entries(expect).some(([id, was]) => !same(Object.hasOwn(store.profiles, id) ? store.profiles[id] : null, was));
      if (meanwhile) return false;
      for (const id of remove) delete store.profiles[id];
      // A name that means something to the language would change more than a profile.
      for (const [id, credential] of Object.entries(put)) if (id !== "__proto__") store.profiles[id] = credential;
      const orders = { ...store.order };
      for (const [provider, ids] of Object.entries(order)) {
        if (ids) orders[provider] = ids;
        else delete orders[provider];
      }
      if (Object.keys(order).length > 0) store.order = Object.keys(orders).length > 0 ? orders : undefined;
      return true;
    },
  });
  stores.push(meanwhile ? "changed" : changed ? "done" : "busy");
}
if (request.compact.length > 0) {
  const { DatabaseSync } = await import("node:sqlite");
  for (const path of request.compact) {
    const database = new DatabaseSync(path);
    database.exec("PRAGMA busy_timeout = 5000; PRAGMA temp_store = MEMORY; VACUUM; PRAGMA wal_checkpoint(TRUNCATE)");
    database.close();
  }
}
process.stdout.write(JSON.stringify({ stores }));
