import { create, type DescMessage, fromJson, type JsonObject } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { BadRequestSchema, ErrorInfoSchema, LocalizedMessageSchema } from '../gen/google/rpc/error_details_pb';

/** What the REST door said. */
export interface Answer {
  readonly status: number;
  readonly text: string;
}

const KNOWN: readonly DescMessage[] = [ErrorInfoSchema, LocalizedMessageSchema, BadRequestSchema];

/** A `google.rpc.Status` as the error that it would be by gRPC. What is none came from something before the server. */
export function refusalOf({ status, text }: Answer): ConnectError {
  if (status === 413) {
    const value = create(ErrorInfoSchema, { reason: 'FILE_TOO_LARGE' });
    return new ConnectError(`HTTP ${status}`, Code.InvalidArgument, undefined, [{ desc: ErrorInfoSchema, value }]);
  }
  try {
    const { code, message, details } = JSON.parse(text) as { code?: number; message?: string; details?: JsonObject[] };
    return refusal(code ?? Code.Unknown, message ?? '', details ?? []);
  } catch {
    return new ConnectError(`HTTP ${status}`, status >= 502 && status <= 504 ? Code.Unavailable : Code.Unknown);
  }
}

function refusal(code: Code, message: string, details: readonly JsonObject[]): ConnectError {
  const known = details.flatMap(({ '@type': type, ...value }) => {
    const desc = KNOWN.find(({ typeName }) => String(type).endsWith(`/${typeName}`));
    return desc ? [{ desc, value: fromJson(desc, value, { ignoreUnknownFields: true }) }] : [];
  });
  return new ConnectError(message, code, undefined, known);
}
