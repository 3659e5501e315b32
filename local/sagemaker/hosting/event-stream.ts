import { crc32 } from 'node:zlib';

/** Type number of a string header in `application/vnd.amazon.eventstream`. */
const stringHeader = 7;

/** An event of InvokeEndpointWithResponseStream that carries a part of the model's answer. */
export function payloadPart(bytes: Uint8Array): Buffer {
  const headers = {
    ':message-type': 'event',
    ':event-type': 'PayloadPart',
    ':content-type': 'application/octet-stream',
  };
  return encodeMessage(headers, bytes);
}

/** The last message of a stream that broke: clients throw it from their iterator. */
export function modelStreamError(Message: string, ErrorCode: 'ModelInvocationTimeExceeded' | 'StreamBroken'): Buffer {
  const headers = {
    ':message-type': 'exception',
    ':exception-type': 'ModelStreamError',
    ':content-type': 'application/json',
  };
  return encodeMessage(headers, Buffer.from(JSON.stringify({ Message, ErrorCode })));
}

/**
 * One message of the event stream encoding, all numbers big-endian:
 *
 *     total length u32 | headers length u32 | CRC-32 of these 8 bytes | headers | payload | CRC-32 of all before
 *     header: name length u8 | name | type u8 = 7 | value length u16 | value
 */
function encodeMessage(headers: Readonly<Record<string, string>>, payload: Uint8Array): Buffer {
  const encoded = Buffer.concat(Object.entries(headers).map(([name, value]) => encodeHeader(name, value)));
  const prelude = Buffer.alloc(12);
  prelude.writeUInt32BE(prelude.length + encoded.length + payload.length + 4, 0);
  prelude.writeUInt32BE(encoded.length, 4);
  prelude.writeUInt32BE(crc32(prelude.subarray(0, 8)), 8);
  const content = Buffer.concat([prelude, encoded, payload]);
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(crc32(content));
  return Buffer.concat([content, checksum]);
}

function encodeHeader(name: string, value: string): Buffer {
  const lengths = Buffer.alloc(3);
  lengths.writeUInt8(stringHeader, 0);
  lengths.writeUInt16BE(Buffer.byteLength(value), 1);
  return Buffer.concat([Buffer.from([name.length]), Buffer.from(name), lengths, Buffer.from(value)]);
}
