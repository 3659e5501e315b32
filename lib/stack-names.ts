/** The stacks of an environment by name: for whoever synthesizes them, and for whoever asks CloudFormation about them. */

/** Ids in their stage, in the order of their dependencies. */
export const stackIds = { state: 'State', pipeline: 'Pipeline', serving: 'Serving', monitoring: 'Monitoring' } as const;
export type StackId = (typeof stackIds)[keyof typeof stackIds];

/** As the CDK names a stack of a stage; test/app.test.ts compares. */
export const stackName = (environment: string, id: StackId): string => `${environment}-${id}`;
export const stackNames = (environment: string): string[] =>
  Object.values(stackIds).map((id) => stackName(environment, id));
