/** The gRPC client, as a bundle of its own (tools/build/bundles.mjs): the others import it when the first network wants a device. */

export { Client, credentials } from "@grpc/grpc-js";
