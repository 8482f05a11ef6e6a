#!/usr/bin/env bash
# Brings scripts/bench/gpu.py to a GPU machine that has no network and takes files of at most 60 MB:
# an image with CUDA 13 and cuDNN 9, Python with its venv module, the driver, and this repository.
#
#   here    PYTHON=3.12 scripts/bench/gpu_remote.sh pack build/gpu
#             downloads the wheels of requirements/server.lock for that Python and cuts what is larger than
#             a piece; `there python3 --version` says which Python. 6 pieces, about 290 MB.
#   copy    build/gpu/* there, in any number of steps: no file is larger than a piece.
#   there   scripts/bench/gpu_remote.sh check            which libraries of CUDA are missing, if any
#           scripts/bench/gpu_remote.sh join FOLDER      joins the pieces and installs them in .venv
#           scripts/bench/gpu_remote.sh bench            under six minutes; writes scripts/bench/results/gpu.json
#   here    copy the results back and commit them.
#
# What the driver and the libraries have to be is in docs/gpu.md. CUDA=1 packs CUDA and cuDNN as wheels too, for
# an image that has only the driver: 2 GB more.
set -euo pipefail
cd "$(dirname "$0")/../.."
piece_mb=50

pack() {
  local folder=$1 python=${PYTHON:-$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')}
  mkdir -p "$folder/wheels"
  local wanted=(-r requirements/server.lock)
  [ "${CUDA:-}" = 1 ] && wanted=(-r requirements/image-cuda.lock)
  .venv/bin/python -m pip download -q --only-binary :all: --python-version "$python" \
    --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
    --platform manylinux_2_27_x86_64 --dest "$folder/wheels" "${wanted[@]}"
  (cd "$folder/wheels" && sha256sum ./*.whl >../SHA256SUMS)
  # Small wheels share pieces, so that there are few files to copy.
  tar -C "$folder" -cf - wheels SHA256SUMS | split -b "${piece_mb}M" -d -a 3 - "$folder/piece."
  rm -r "$folder/wheels" "$folder/SHA256SUMS"
  du -h "$folder"/piece.*
}

check() {
  python3 --version
  nvidia-smi --query-gpu=name,driver_version,compute_cap --format=csv
  local library missing=0
  for library in libcublasLt.so.13 libcublas.so.13 libcudart.so.13 libcurand.so.10 libcudnn.so.9; do
    ldconfig -p | grep -q "$library" || { echo "missing: $library"; missing=1; }
  done
  ldconfig -p | grep -q libnvinfer.so.10 || echo "missing, for TensorRT only: libnvinfer.so.10"
  return $missing
}

join() {
  local folder=$1 work
  [ ! -e .venv ] || { echo ".venv is there already: delete it, or leave this step out"; return 1; }
  work=$(mktemp -d)
  cat "$folder"/piece.* | tar -C "$work" -xf -
  (cd "$work/wheels" && sha256sum --quiet -c ../SHA256SUMS)
  python3 -m venv .venv
  .venv/bin/python -m pip install -q --no-index --no-deps "$work"/wheels/*.whl
  rm -r "$work"
  PYTHONPATH=src .venv/bin/python -c 'import onnxruntime; print(onnxruntime.get_available_providers())'
}

bench() {
  PYTHONPATH=src timeout 350 .venv/bin/python scripts/bench/gpu.py --seconds 150 "$@"
}

case "${1:-}" in
  pack | check | join | bench) "$@" ;;
  *)
    sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"
    exit 2
    ;;
esac
