"""What every algorithm of the stack shares: SageMaker's container contract, data, split, encoder, evaluation, serving."""
