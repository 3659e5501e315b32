/**
 * IAM path of the roles of an environment's functions, of nothing else, and so what the bus knows them by: a path is
 * set before a role has a name.
 */
export const functionPath = (environment: string): string => `/flywheel/${environment}/functions/`;
