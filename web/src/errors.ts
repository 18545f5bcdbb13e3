/** Something about the input that the caller can put right; its message is one sentence. */
export class CodecError extends Error {
  override name = "CodecError";
}

/** A damaged, truncated or foreign `.sct` file. */
export class ContainerError extends CodecError {
  override name = "ContainerError";
}
