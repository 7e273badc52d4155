/** Types of the modules that tools/build/protos.mjs makes from *.proto. */

declare module "*.proto.mjs" {
  import type { ServiceDefinition } from "@grpc/grpc-js";

  /** By full name: `runtime.v1.RuntimeService`. */
  const services: Readonly<Record<string, ServiceDefinition>>;
  export default services;
}
