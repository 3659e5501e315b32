/** The role of each project, with which its SageMaker jobs and endpoints run: its own prefixes, and nothing of another project. */
import { Stack } from 'aws-cdk-lib';
import { type IRole, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import { captureKey, datasetKey, modelKey } from '../../lambdas/contract/keys.ts';
import type { ProjectSettingsWithoutCode } from '../config/index.ts';
import { Access, allow, grant, type Permission } from './access.ts';
import type { DataBucket } from './data-bucket.ts';
import { ImageRegistries } from './image-registries.ts';
import type { Platform } from './platform.ts';

export class ProjectRoles extends Construct {
  readonly registries: ImageRegistries;
  readonly #roles: ReadonlyMap<string, IRole>;

  constructor(scope: Construct, id: string, { platform }: { readonly platform: Platform }) {
    super(scope, id);
    this.registries = new ImageRegistries(this, 'Registry');
    this.#roles = new Map(
      platform.environment.projects.map((project) => {
        const role = new Role(this, project.name, {
          assumedBy: new ServicePrincipal('sagemaker.amazonaws.com', {
            conditions: { StringEquals: { 'aws:SourceAccount': Stack.of(this).account } },
          }),
          description: `Flywheel ${platform.environment.name}: jobs and endpoints of ${project.name}`,
        });
        grant(role, [...dataOf(project.name, platform), ...this.#machinery(project)]);
        return [project.name, role];
      }),
    );
  }

  /** @throws for a project that the environment does not have */
  of(project: string): IRole {
    const role = this.#roles.get(project);
    if (!role) throw new Error(`got the project ${project}, expected one of: ${[...this.#roles.keys()].join(', ')}`);
    return role;
  }

  /** To start jobs and endpoints that run with these roles. */
  pass(): Access<{ PROJECT_ROLES: string }> {
    const arns = Object.fromEntries([...this.#roles].map(([name, role]) => [name, role.roleArn]));
    const PROJECT_ROLES = Stack.of(this).toJsonString(arns);
    if (this.#roles.size === 0) return new Access({ PROJECT_ROLES }, []);
    return allow({
      actions: ['iam:PassRole'],
      resources: Object.values(arns),
      conditions: { StringEquals: { 'iam:PassedToService': 'sagemaker.amazonaws.com' } },
    }).and(new Access({ PROJECT_ROLES }, []));
  }

  /** What SageMaker itself does in the name of the role: images, logs, metrics. */
  #machinery({ training: { algorithm } }: ProjectSettingsWithoutCode): Permission[] {
    const { partition, region, account } = Stack.of(this);
    const images = new Set([algorithm.image, algorithm.servingImage ?? algorithm.image]);
    return [
      {
        actions: ['ecr:BatchGetImage', 'ecr:GetDownloadUrlForLayer', 'ecr:BatchCheckLayerAvailability'],
        resources: [...images].map((image) => this.registries.repositoryArn(image)),
      },
      {
        actions: ['ecr:GetAuthorizationToken'],
        resources: ['*'],
        patternBecause: 'the token is of the account; IAM knows no resource for it',
      },
      {
        actions: ['logs:CreateLogGroup', 'logs:CreateLogStream', 'logs:PutLogEvents', 'logs:DescribeLogStreams'],
        resources: [`arn:${partition}:logs:${region}:${account}:log-group:/aws/sagemaker/*`],
        patternBecause: 'SageMaker makes the log groups and streams of its jobs and endpoints by itself',
      },
      {
        actions: ['cloudwatch:PutMetricData'],
        resources: ['*'],
        conditions: { StringLike: { 'cloudwatch:namespace': '/aws/sagemaker/*' } },
        patternBecause: 'IAM knows no resource for metrics; a condition names the namespaces',
      },
    ];
  }
}

function dataOf(project: string, { datasets, models, captures, key }: Platform): Permission[] {
  return [
    ...objectsUnder(datasets, datasetKey.prefix(project), ['s3:GetObject']),
    ...objectsUnder(models, modelKey.prefix(project), ['s3:GetObject']),
    // Not its code: start-training writes that, and takes what is there under its hash for it.
    ...modelKey.ofJobs(project).map((prefix) => objectsIn(models, prefix, ['s3:PutObject'])),
    ...objectsUnder(captures, `${captureKey.prefix(project)}/`, ['s3:PutObject']),
    ...key.execute().permissions,
  ];
}

function objectsIn({ bucket }: DataBucket, prefix: string, actions: readonly string[]): Permission {
  return {
    actions,
    resources: [bucket.arnForObjects(`${prefix}*`)],
    patternBecause: `the objects of a project have keys of their own under ${prefix}`,
  };
}

function objectsUnder(bucket: DataBucket, prefix: string, actions: readonly string[]): Permission[] {
  return [
    objectsIn(bucket, prefix, actions),
    {
      actions: ['s3:ListBucket'],
      resources: [bucket.bucket.bucketArn],
      // IfExists: SageMaker may ask for the bucket alone (HeadBucket), which the role is then not refused. No code of a project
      // has the role's credentials: its containers run without network.
      conditions: { StringLikeIfExists: { 's3:prefix': [`${prefix}*`, prefix.replace(/\/$/, '')] } },
    },
  ];
}
