"""Generated stubs of the package `rerankd.v1`. Made by scripts/gen_protos; do not edit."""
