/** A neural audio codec with meaning in its tokens, for browsers and Node. */

export { Codec, type DecodeOptions, type EncodeOptions, type WorkOptions } from "./codec.js";
export { read, write } from "./container.js";
export type { EngineOptions, ModelFiles, Settings } from "./engine.js";
export { CodecError, ContainerError } from "./errors.js";
export { isFit, type Coder } from "./fit.js";
export { fetchModel, load } from "./load.js";
export { StreamDecoder, StreamEncoder } from "./streaming.js";
export { bitrate, countFrames, frameBits, semanticOnly, type Tokens } from "./tokens.js";
