/**
 * Stands in for `@aws-sdk/endpoint-cache` in the bundles (`lib/bundle.ts`): the DynamoDB client makes one for endpoint
 * discovery, which none of its commands does. A client with such commands (Timestream has them) needs the alias gone.
 */
export class EndpointCache {
  getEndpoint(): never {
    throw new Error('endpoint discovery is left out of the bundles: take its alias out of lib/bundle.ts');
  }
}
