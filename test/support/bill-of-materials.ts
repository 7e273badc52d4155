/** CycloneDX's own JSON schema, as the standard's library has it. */

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Ajv, type ErrorObject } from "ajv";

const schemas = join(
  dirname(fileURLToPath(import.meta.resolve("@cyclonedx/cyclonedx-library/package.json"))),
  "res",
  "schema",
);
const schema = (name: string) =>
  JSON.parse(readFileSync(join(schemas, `${name}.SNAPSHOT.schema.json`), "utf8"));

/** Violations of CycloneDX 1.6 in a bill of materials. Texts of a format (dates, addresses) are not looked at: ours has none but the serial number, which is a pattern. */
export function problemsOfBill(bill: unknown): readonly ErrorObject[] {
  const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true });
  // By the names that the schema refers to them by.
  for (const name of ["spdx", "jsf-0.82", "cryptography-defs"]) {
    ajv.addSchema(schema(name), `http://cyclonedx.org/schema/${name}.SNAPSHOT.schema.json`);
  }
  const validate = ajv.compile(schema("bom-1.6"));
  return validate(bill) ? [] : (validate.errors ?? []);
}
