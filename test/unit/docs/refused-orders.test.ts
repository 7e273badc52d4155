/** The table of what the shim refuses and the forged daemon's attacks are the same list. */

import { expect, test } from "vitest";
import { attacks } from "../../shim/support/forged-orders.ts";
import { readPage } from "./markdown.ts";

test("every row of the table in docs/security.md is attacked, and every attack is in it", () => {
  const table = readPage("docs/security.md").tables.find(({ section }) => section === "Refused orders");
  expect(table?.header).toEqual(["refused", "what is taken"]);
  expect(table?.rows.map(([refused]) => refused)).toEqual(attacks.map(({ about }) => about));
});
