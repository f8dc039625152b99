// Answers queries of Cosmos SQL with @zeit/cosmosdb-query: JSON lines in, JSON lines out. argv: the package's folder.
"use strict";
const readline = require("node:readline");
const { default: query } = require(process.argv[2]);

let items = [];

function answer(asked) {
  if (asked.items) {
    items = asked.items;
    return {};
  }
  let parsed;
  try {
    parsed = query(asked.sql);
  } catch (error) {
    return { unparsed: String(error.message) };
  }
  try {
    return { rows: parsed.exec(items, { parameters: asked.parameters }).result };
  } catch (error) {
    return { failed: String(error.message) };
  }
}

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  process.stdout.write(JSON.stringify(answer(JSON.parse(line))) + "\n");
});
