/**
 * Compiles the protocol buffers of the sources to modules for clients, so that no program carries a parser for them and nothing generates code at run time. Of protobufjs they
 * need only the reader and the writer of bytes.
 */

import { glob, mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import protobuf from "protobufjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");

/** The services of a namespace and of those within it. */
function servicesIn({ nestedArray }) {
  return nestedArray.flatMap((member) => {
    if (member instanceof protobuf.Service) return [member];
    return member instanceof protobuf.Namespace ? servicesIn(member) : [];
  });
}

/** `runtime.v1.Version` of a type. */
const nameOf = (type) => type.fullName.replace(/^\./, "");

/** The value of a member that a message does not have, as the module's text. */
function defaultOf(field) {
  if (field.map) return "{}";
  if (field.repeated) return "[]";
  if (field.resolvedType instanceof protobuf.Type) return "undefined";
  return JSON.stringify(field.typeDefault ?? 0);
}

/** These types and those of their fields, and so on. @returns {Set} */
function withParts(types) {
  const found = new Set(types);
  for (const type of found) {
    for (const { resolvedType } of type.fieldsArray) {
      if (resolvedType instanceof protobuf.Type) found.add(resolvedType);
    }
  }
  return found;
}

/**
 * protobufjs's own encoder and decoder of a type as text, which it makes of a type at run time otherwise.
 * @param isSent in a request @param isReceived in an answer
 */
function codeOf(type, isSent, isReceived) {
  const name = JSON.stringify(nameOf(type));
  const references = type.fieldsArray.map(({ resolvedType }) =>
    resolvedType instanceof protobuf.Type ? `types[${JSON.stringify(nameOf(resolvedType))}]` : "undefined",
  );
  const defaults = type.fieldsArray.map(
    (field) => `this[${JSON.stringify(field.name)}] = ${defaultOf(field)};`,
  );
  const code = (of) => `${of(type)}`.replaceAll(/\btypes\[(\d+)\]/g, (_, index) => references[index]);
  return [
    `types[${name}] = {`,
    ...(isSent ? [`  encode: ${code(protobuf.encoder)},`] : []),
    ...(isReceived
      ? [`  ctor: function () { ${defaults.join(" ")} },`, `  decode: ${code(protobuf.decoder)},`]
      : []),
    "};",
  ].join("\n");
}

/** A service as @grpc/grpc-js wants it: by method, its path, its requests to bytes and its answers from bytes. */
function serviceCode(service) {
  const methods = service.methodsArray.map((method) => {
    const {
      resolvedRequestType,
      resolvedResponseType,
      requestStream = false,
      responseStream = false,
    } = method.resolve();
    const request = JSON.stringify(nameOf(resolvedRequestType));
    const response = JSON.stringify(nameOf(resolvedResponseType));
    return `  ${JSON.stringify(method.name)}: {
    path: ${JSON.stringify(`/${nameOf(service)}/${method.name}`)},
    requestStream: ${requestStream === true},
    responseStream: ${responseStream === true},
    ...messages(${request}, ${response}),
  },`;
  });
  return `services[${JSON.stringify(nameOf(service))}] = {\n${methods.join("\n")}\n};`;
}

const prologue = `import minimal from "protobufjs/minimal.js";
const { Reader, Writer, util } = minimal;
const types = {};
const services = {};
const serialize = (type) => (message) => Buffer.from(types[type].encode(message).finish());
const deserialize = (type) => (bytes) => types[type].decode(bytes);
function refuse() { throw new Error("a client sends no answers"); }
const messages = (request, response) => ({
  requestSerialize: serialize(request),
  requestDeserialize: refuse,
  responseSerialize: refuse,
  responseDeserialize: deserialize(response),
});
`;

/** @param text of a .proto file @returns the module's text */
export function moduleOf(text) {
  const { root: parsed } = protobuf.parse(text, new protobuf.Root(), { keepCase: false });
  parsed.resolveAll();
  const services = servicesIn(parsed);
  const methods = services.flatMap(({ methodsArray }) => methodsArray.map((method) => method.resolve()));
  const sent = withParts(methods.map(({ resolvedRequestType }) => resolvedRequestType));
  const received = withParts(methods.map(({ resolvedResponseType }) => resolvedResponseType));
  return [
    prologue,
    ...[...sent.union(received)].map((type) => codeOf(type, sent.has(type), received.has(type))),
    ...services.map(serviceCode),
    "export default services;\n",
  ].join("\n");
}

/**
 * Writes build/protos/<name>.proto.mjs for every <name>.proto below src; the module's default export has its services by name.
 * @returns {Promise<string[]>} the files written
 */
export async function buildProtos() {
  const files = (await Array.fromAsync(glob("src/**/*.proto", { cwd: root }))).sort();
  const directory = join(root, "build", "protos");
  await mkdir(directory, { recursive: true });
  const written = [];
  for (const file of files) {
    const outfile = join(directory, `${basename(file)}.mjs`);
    await writeFile(outfile, moduleOf(await readFile(join(root, file), "utf8")));
    written.push(outfile);
  }
  return written;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log((await buildProtos()).join("\n"));
}
