export interface S3Location {
  readonly bucket: string;
  readonly key: string;
}

/** @throws Error when it is not an S3 URI */
export function parseS3Uri(uri: string): S3Location {
  const match = /^s3:\/\/([^/]+)\/?(.*)$/s.exec(uri);
  if (!match) throw new Error(`expected an S3 URI such as s3://bucket/key, got '${uri}'`);
  return { bucket: match[1] ?? '', key: match[2] ?? '' };
}
