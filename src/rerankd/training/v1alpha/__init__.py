"""Generated stubs of the package `rerankd.training.v1alpha`. Made by scripts/gen_protos; do not edit."""
