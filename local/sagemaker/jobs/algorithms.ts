/** Which images are SageMaker's own algorithms to CreateTrainingJob, which allows less for them than for other images. */

/**
 * Repositories of the built-in algorithms (`image_uri_config` of aws/sagemaker-python-sdk). XGBoost's is one of them in script
 * mode, too: awslabs/mlspace retries without MetricDefinitions, and users of 1.7-1 report the refusal. scikit-learn's, in the
 * same registry, is not.
 */
const algorithms = new Set([
  'sagemaker-xgboost',
  'xgboost',
  'blazingtext',
  'factorization-machines',
  'forecasting-deepar',
  'image-classification',
  'ipinsights',
  'kmeans',
  'knn',
  'lda',
  'linear-learner',
  'ntm',
  'object-detection',
  'object2vec',
  'pca',
  'randomcutforest',
  'semantic-segmentation',
  'seq2seq',
]);

/** @param uri `683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0` */
export function isSageMakerAlgorithm(uri: string): boolean {
  const repository = /^\d{12}\.dkr\.ecr\.[^/]+\/([^:@]+)/.exec(uri)?.[1];
  return repository !== undefined && algorithms.has(repository);
}
