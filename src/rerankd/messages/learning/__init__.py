"""Messages of `rerankd.training.v1alpha` to the words of the learning reranker and back."""
