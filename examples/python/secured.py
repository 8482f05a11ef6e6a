"""Ranks documents at a server that asks for a key, which RERANKD_TOKEN holds, and for a certificate.

python examples/python/secured.py localhost:50051 ca.pem client.pem client.key "a query" "a document"
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from rerankd.client import Client, ClientOptions, RerankdError, TLSConfig


def main(target: str, ca: str, certificate: str, key: str, query: str, *texts: str) -> None:
    tls = TLSConfig(
        root_certificates=Path(ca).read_bytes(),
        client_certificate=Path(certificate).read_bytes(),
        client_private_key=Path(key).read_bytes(),
    )
    with Client(target, ClientOptions(tls=tls, token=os.environ.get("RERANKD_TOKEN"))) as client:
        try:
            response = client.rerank(query, texts)
        except RerankdError as error:
            sys.exit(f"{error.reason or error.code.name} {error.message}")
    for result in response.results:
        print(f"{result.rank}. {result.score:.4f} {texts[result.index]}")


if __name__ == "__main__":
    main(*sys.argv[1:])
