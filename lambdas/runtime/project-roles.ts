/** Project name → ARN of the role that its SageMaker jobs and endpoints run with (variable PROJECT_ROLES). */
export type ProjectRoles = Readonly<Record<string, string>>;

/** @throws for a project that came with newer settings than the function's environment */
export function roleOf(roles: ProjectRoles, project: string): string {
  const role = roles[project];
  if (!role) throw new Error(`PROJECT_ROLES has no role of ${project}: deploy the stacks again`);
  return role;
}
