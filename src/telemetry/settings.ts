/** Whether spans are exported, and which and where to: the daemon's key `tracing`, and the variables that OpenTelemetry has for it. */

import { type Sampler, samplerNames, samplerOf, usualSampler } from "./sampler.ts";

/** The key as its schema has it. */
export interface TracingKey {
  /** Base address of a collector that speaks OTLP over HTTP: `http://collector:4318`. */
  readonly endpoint?: string;
  /** Share, 0 to 1, of those traces that begin here. */
  readonly samplingRatio?: number;
}

export interface TracingSettings {
  /** Where OTLP is sent to; undefined: where the variables OTEL_EXPORTER_OTLP_… say. */
  readonly url: string | undefined;
  readonly sampler: Sampler;
  /** Problems of the variables. */
  readonly problems: readonly string[];
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Either of them says where to, and with that that spans are to be exported. */
const endpointVariables = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
const protocolVariables = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
const protocol = "http/protobuf";
/** Under the base address of a collector (OTLP specification, "OTLP/HTTP Request"). */
const tracesPath = "/v1/traces";

/** @param key wins over the variables @returns undefined: nothing is exported */
export function tracingSettings(key: TracingKey, environment: Environment): TracingSettings | undefined {
  const isSet = (name: string) => (environment[name] ?? "") !== "";
  if (
    environment.OTEL_SDK_DISABLED?.toLowerCase() === "true" ||
    environment.OTEL_TRACES_EXPORTER === "none"
  ) {
    return undefined;
  }
  const { endpoint = "", samplingRatio } = key;
  if (endpoint === "" && !endpointVariables.some(isSet)) return undefined;
  const url = endpoint === "" ? undefined : endpoint.replace(/\/*$/, tracesPath);
  const problems = protocolVariables
    .filter((name) => isSet(name) && environment[name] !== protocol)
    .map((name) => `${name}=${environment[name]} is not spoken: it is ${protocol}`);
  const sampler =
    samplingRatio === undefined ? samplerFromVariables(environment, problems) : usualSampler(samplingRatio);
  return { url, sampler, problems };
}

/** @param problems are added to */
function samplerFromVariables(environment: Environment, problems: string[]): Sampler {
  const { OTEL_TRACES_SAMPLER: name = "", OTEL_TRACES_SAMPLER_ARG: argument = "" } = environment;
  const given = Number(argument === "" ? 1 : argument);
  const isRatio = given >= 0 && given <= 1;
  if (!isRatio) problems.push(`OTEL_TRACES_SAMPLER_ARG=${argument} is no number from 0 to 1: 1 is taken`);
  const ratio = isRatio ? given : 1;
  // Without a name a ratio counts for nothing, as OpenTelemetry has it.
  const known = name === "" ? usualSampler(1) : samplerOf(name, ratio);
  if (known === undefined) {
    problems.push(
      `OTEL_TRACES_SAMPLER=${name} is none of ${samplerNames.join(", ")}: the runtime decides, and all are recorded that begin here`,
    );
  }
  return known ?? usualSampler(1);
}
