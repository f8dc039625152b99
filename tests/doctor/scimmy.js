// A SCIM server of SCIMMY and its routers for express, with users and groups in memory, as its documentation shows one.
// Arguments: the folder of scimmy-routers, and the token. Prints the port.
"use strict";
const { randomUUID } = require("node:crypto");
const { join } = require("node:path");
const { pathToFileURL } = require("node:url");

const [, , folder, token] = process.argv;

function keep(SCIMMY, type, unique) {
    const rows = new Map();
    const shown = row => ({...row.data, id: row.id, meta: {created: row.created, lastModified: row.lastModified}});
    const found = id => {
        if (!rows.has(id)) throw new SCIMMY.Types.Error(404, null, `Resource ${id} not found`);
        return rows.get(id);
    };
    SCIMMY.Resources.declare(type)
        .egress(resource => {
            if (resource.id) return shown(found(resource.id));
            const all = [...rows.values()].map(shown);
            return resource.filter ? resource.filter.match(all) : all;
        })
        .ingress((resource, instance) => {
            const data = JSON.parse(JSON.stringify(instance));
            const taken = [...rows.values()].some(row =>
                row.id !== resource.id && row.data[unique].toLowerCase() === data[unique].toLowerCase());
            if (taken) throw new SCIMMY.Types.Error(409, "uniqueness", `${unique} is taken`);
            const now = new Date();
            const row = resource.id ? found(resource.id) : {id: randomUUID(), created: now};
            rows.set(row.id, Object.assign(row, {data, lastModified: now}));
            return shown(row);
        })
        .degress(resource => {
            found(resource.id);
            rows.delete(resource.id);
        });
}

async function serve() {
  // All as ES modules, so that the routers and this file share one instance of SCIMMY.
  const load = async (...parts) => (await import(pathToFileURL(join(folder, ...parts)))).default;
  const SCIMMY = await load("..", "scimmy", "dist", "scimmy.js");
  const SCIMMYRouters = await load("dist", "routers.js");
  const express = await load("..", "express", "index.js");
  SCIMMY.Resources.User.extend(SCIMMY.Schemas.EnterpriseUser, false);
  keep(SCIMMY, SCIMMY.Resources.User, "userName");
  keep(SCIMMY, SCIMMY.Resources.Group, "displayName");
  const app = express();
app.use("/scim", new SCIMMYRouters({
    type: "bearer",
    handler: request => {
        if (request.header("Authorization") !== `Bearer ${token}`) throw new Error("The token is wrong.");
      },
}));
const server = app.listen(0, "127.0.0.1", () => console.log(server.address().port));
}

serve();
