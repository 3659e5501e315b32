/**
 * Stands in for `@aws-sdk/credential-provider-node` in the bundles (`lib/bundle.ts`): Lambda puts the credentials of a
 * function's role into its environment, so the other links of the SDK's default chain (SSO, profiles, web identity,
 * container and instance metadata) would be 100 kB that never run. A function that gets its credentials in another way,
 * as SnapStart does over a container endpoint, needs the alias gone.
 */
export { fromEnv as defaultProvider } from '@aws-sdk/credential-provider-env';
