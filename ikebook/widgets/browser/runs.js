/* What is painted, as runs of equal bytes: the value, and how often it stands, as little-endian uint32 (see runs.py). */

const RUN_BYTES = 5;

/* Bytes as runs, or as they are where these are no more. `sizes`: lengths that bytes have as they are. */
export function toRuns(bytes, sizes) {
  if (!bytes.length) return bytes;
  const runs = [];
  for (let begin = 0, at = 1; begin < bytes.length; at++)
    if (at === bytes.length || bytes[at] !== bytes[begin]) {
      runs.push([bytes[begin], at - begin]);
      begin = at;
      if (runs.length * RUN_BYTES >= bytes.length) return bytes;
    }
  const length = RUN_BYTES * runs.length;
  const packed = new DataView(new ArrayBuffer(sizes.includes(length) ? length + RUN_BYTES : length)); // no length may have two meanings
  runs.forEach(([value, count], k) => {
    packed.setUint8(RUN_BYTES * k, value);
    packed.setUint32(RUN_BYTES * k + 1, count, true);
  });
  return new Uint8Array(packed.buffer);
}

/* The bytes that runs stand for; those of another length than `sizes` are runs. */
export function fromRuns(bytes, sizes) {
  if (sizes.includes(bytes.length)) return bytes;
  const packed = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const counts = [];
  for (let at = 0; at + RUN_BYTES <= bytes.length; at += RUN_BYTES) counts.push(packed.getUint32(at + 1, true));
  const whole = new Uint8Array(counts.reduce((sum, count) => sum + count, 0));
  let begin = 0;
  counts.forEach((count, k) => whole.fill(bytes[RUN_BYTES * k], begin, (begin += count)));
  return whole;
}
