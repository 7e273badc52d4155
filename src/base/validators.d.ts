/** Types of the modules that tools/build/validators.mjs makes from *.schema.json. */

declare module "*.validator.mjs" {
  import type { SchemaValidator } from "../base/schema.ts";

  const validate: SchemaValidator;
  export default validate;
}
