/**
 * What authors of FlowForge connectors use.
 *
 * Every exported function of `src/connector.ts` that `wit/` names is an operation. Importing this package gives a
 * connector no capability: only the parts that are used become imports of the component.
 *
 * @packageDocumentation
 */

export * as artefacts from "./artefacts.ts";
export * as context from "./context.ts";
export { Failure, type FailureKind } from "./failure.ts";
export * as http from "./http.ts";
export { type Json, type Artefact, type Int } from "./types.ts";
export * as log from "./log.ts";
export * as progress from "./progress.ts";
export { secret, describeSecret, type Secret, type SecretInfo, type SecretPlacement } from "./secret.ts";
