/** Where AWS keeps the images that train and serve: two registries, each in an account of its own in every region. */
import { Aws, CfnMapping, Stack, Token } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { Access } from './access.ts';

/** The registry that has a repository. */
const registryOf = { 'sagemaker-xgboost': 'algorithms', pytorch: 'deepLearning' } as const;
type Repository = keyof typeof registryOf;

/**
 * Source: docs/reference/region_availability.md of aws/deep-learning-containers, sections "SageMaker Algorithm Registry" and
 * "Deep Learning Containers". Regions that have the second alone are left out: every model is served from the first.
 */
export const registryAccounts: Readonly<Record<string, Readonly<Record<(typeof registryOf)[Repository], string>>>> = {
  'us-east-1': { algorithms: '683313688378', deepLearning: '763104351884' },
  'us-east-2': { algorithms: '257758044811', deepLearning: '763104351884' },
  'us-west-1': { algorithms: '746614075791', deepLearning: '763104351884' },
  'us-west-2': { algorithms: '246618743249', deepLearning: '763104351884' },
  'ca-central-1': { algorithms: '341280168497', deepLearning: '763104351884' },
  'ca-west-1': { algorithms: '190319476487', deepLearning: '204538143572' },
  'sa-east-1': { algorithms: '737474898029', deepLearning: '763104351884' },
  'eu-west-1': { algorithms: '141502667606', deepLearning: '763104351884' },
  'eu-west-2': { algorithms: '764974769150', deepLearning: '763104351884' },
  'eu-west-3': { algorithms: '659782779980', deepLearning: '763104351884' },
  'eu-central-1': { algorithms: '492215442770', deepLearning: '763104351884' },
  'eu-central-2': { algorithms: '680994064768', deepLearning: '380420809688' },
  'eu-north-1': { algorithms: '662702820516', deepLearning: '763104351884' },
  'eu-south-1': { algorithms: '978288397137', deepLearning: '692866216735' },
  'eu-south-2': { algorithms: '104374241257', deepLearning: '503227376785' },
  'af-south-1': { algorithms: '510948584623', deepLearning: '626614931356' },
  'il-central-1': { algorithms: '898809789911', deepLearning: '780543022126' },
  'ap-east-1': { algorithms: '651117190479', deepLearning: '871362719292' },
  'ap-northeast-1': { algorithms: '354813040037', deepLearning: '763104351884' },
  'ap-northeast-2': { algorithms: '366743142698', deepLearning: '763104351884' },
  'ap-northeast-3': { algorithms: '867004704886', deepLearning: '364406365360' },
  'ap-south-1': { algorithms: '720646828776', deepLearning: '763104351884' },
  'ap-south-2': { algorithms: '628508329040', deepLearning: '772153158452' },
  'ap-southeast-1': { algorithms: '121021644041', deepLearning: '763104351884' },
  'ap-southeast-2': { algorithms: '783357654285', deepLearning: '763104351884' },
  'ap-southeast-3': { algorithms: '951798379941', deepLearning: '907027046896' },
  'ap-southeast-4': { algorithms: '106583098589', deepLearning: '457447274322' },
  'cn-north-1': { algorithms: '450853457545', deepLearning: '727897471807' },
  'cn-northwest-1': { algorithms: '451049120500', deepLearning: '727897471807' },
};

export class ImageRegistries extends Construct {
  readonly #accounts: CfnMapping;

  constructor(scope: Construct, id: string) {
    super(scope, id);
    const { region } = Stack.of(this);
    if (!Token.isUnresolved(region) && !(region in registryAccounts))
      throw new Error(
        `got the region ${region}, expected one whose registries of images are known: ${Object.keys(registryAccounts).join(', ')}; add its accounts to lib/constructs/image-registries.ts`,
      );
    this.#accounts = new CfnMapping(this, 'Accounts', { mapping: { ...registryAccounts } });
  }

  /** The host of each repository. */
  named(): Access<{ IMAGE_REGISTRIES: string }> {
    const { region, urlSuffix } = Stack.of(this);
    const hosts = Object.entries(registryOf).map(([repository, registry]) => [
      repository,
      `${this.#account(registry)}.dkr.ecr.${region}.${urlSuffix}`,
    ]);
    return new Access({ IMAGE_REGISTRIES: Stack.of(this).toJsonString(Object.fromEntries(hosts)) }, []);
  }

  /**
   * @param image repository and tag, `sagemaker-xgboost:3.2-0`
   * @throws for a repository of neither registry
   */
  repositoryArn(image: string): string {
    const { partition, region } = Stack.of(this);
    const [repository = ''] = image.split(':');
    if (!isKnown(repository))
      throw new Error(
        `got the image ${image}, expected one of the repositories ${Object.keys(registryOf).join(' or ')}: make the algorithm with xgboost() or tabular()`,
      );
    return `arn:${partition}:ecr:${region}:${this.#account(registryOf[repository])}:repository/${repository}`;
  }

  #account(registry: (typeof registryOf)[Repository]): string {
    return this.#accounts.findInMap(Aws.REGION, registry);
  }
}

function isKnown(repository: string): repository is Repository {
  return repository in registryOf;
}
