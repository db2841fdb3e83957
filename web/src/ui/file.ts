import type { HttpBody } from '../gen/google/api/httpbody_pb';

/** Lets the browser keep something as a file. */
export function saveFile(name: string, parts: BlobPart[], type: string): void {
  const url = URL.createObjectURL(new Blob(parts, { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** Takes a file that comes piece by piece. */
export async function saveStream(name: string, pieces: AsyncIterable<HttpBody>): Promise<void> {
  const blob = await blobOf(pieces);
  saveFile(name, [blob], blob.type);
}

/** All of a file that comes piece by piece. */
export async function blobOf(pieces: AsyncIterable<HttpBody>): Promise<Blob> {
  const parts: BlobPart[] = [];
  let type = 'application/octet-stream';
  for await (const { contentType, data } of pieces) {
    if (contentType) type = contentType;
    parts.push(data as Uint8Array<ArrayBuffer>);
  }
  return new Blob(parts, { type });
}
