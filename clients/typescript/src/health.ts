import { create, createFileRegistry } from "@bufbuild/protobuf";
import type { GenService } from "@bufbuild/protobuf/codegenv2";
import {
  FileDescriptorProtoSchema,
  file_google_protobuf_wrappers,
  type Int32ValueSchema,
  type StringValueSchema,
} from "@bufbuild/protobuf/wkt";

/** Health name that is SERVING when the default model is warm. */
export const READY_SERVICE = "rerankd.v1.RerankService";

/** The number of `HealthCheckResponse.ServingStatus.SERVING`. */
export const SERVING = 1;

type HealthService = GenService<{
  check: { methodKind: "unary"; input: typeof StringValueSchema; output: typeof Int32ValueSchema };
  watch: { methodKind: "server_streaming"; input: typeof StringValueSchema; output: typeof Int32ValueSchema };
}>;

/**
 * The service `grpc.health.v1.Health`.
 *
 * Messages on the wire have no names: these two well-known types, with one field of the same number and
 * kind, read and write as HealthCheckRequest and HealthCheckResponse.
 */
export const Health = describeHealth();

function describeHealth(): HealthService {
  const messages = { inputType: ".google.protobuf.StringValue", outputType: ".google.protobuf.Int32Value" };
  const file = create(FileDescriptorProtoSchema, {
    name: "grpc/health/v1/health.proto",
    package: "grpc.health.v1",
    syntax: "proto3",
    dependency: [file_google_protobuf_wrappers.proto.name],
    service: [
      {
        name: "Health",
        method: [
          { name: "Check", ...messages },
          { name: "Watch", ...messages, serverStreaming: true },
        ],
      },
    ],
  });
  const registry = createFileRegistry(file, () => file_google_protobuf_wrappers.proto);
  return registry.getService("grpc.health.v1.Health") as HealthService;
}
