// Changes the gateway's stores of credentials with the gateway's own code, under its own locks. Run by
// the gateway's Node as `node --input-type=module -e THIS PACKAGE`; a request comes on standard input:
//
//   {"stores": [{"dir": string | null, "put": {id: credential}, "remove": [id], "order": {provider: [id] | null}}]}
//
// `dir` is the directory of an agent, null the store that agents share. Answers on standard output with
// what each store holds then: {"stores": [[id...] | null]}, null for one that could not be changed.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { readFileSync } from "node:fs";

const resolve = createRequire(`${process.argv[1]}/package.json`).resolve;
const sdk = await import(pathToFileURL(resolve("openclaw/plugin-sdk/provider-auth")).href);
const request = JSON.parse(readFileSync(0, "utf8"));
const stores = [];
for (const { dir, put, remove, order } of request.stores) {
  const changed = await sdk.updateAuthProfileStoreWithLock({
    agentDir: dir ?? undefined,
    sharedStoreWrite: dir === null,
    saveOptions: {
      filterExternalAuthProfiles: false,
      syncExternalCli: false,
      preserveOrderProfileIds: Object.values(order).flatMap((ids) => ids ?? []),
    },
    updater: (store) => {
      for (const id of remove) delete store.profiles[id];
      Object.assign(store.profiles, put);
      const orders = { ...store.order };
      for (const [provider, ids] of Object.entries(order)) {
        if (ids) orders[provider] = ids;
        else delete orders[provider];
      }
      if (Object.keys(order).length > 0) store.order = Object.keys(orders).length > 0 ? orders : undefined;
      return true;
    },
  });
  stores.push(changed ? Object.keys(changed.profiles) : null);
}
process.stdout.write(JSON.stringify({ stores }));
