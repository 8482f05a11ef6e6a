"""One provider's account: its client and what it may spend, shared by all of its models."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rerankd.backends.cloud.allowance import Allowance
from rerankd.backends.cloud.answers import Billing, MalformedAnswerError, read_billing, read_scores
from rerankd.backends.cloud.failures import (
    CallFailedError,
    CallSite,
    of_connection,
    of_malformed_answer,
    of_status,
    reason_in,
)
from rerankd.backends.cloud.providers import Provider
from rerankd.backends.cloud.settings import ProviderSettings
from rerankd.core.errors import ModelFailedError

if TYPE_CHECKING:
    import liter_llm

logger = logging.getLogger(__name__)

# Callers have their own, shorter deadlines; this one is for a call that nobody waits for any more.
_TIMEOUT_SECONDS = 600
_CONNECT_TIMEOUT_SECONDS = 10
_MAX_RESPONSE_BYTES = 16 * 1024 * 1024


class Account:
    """Calls one provider.

    Attributes:
        provider: Which one.
        settings: Its limits and prices.
        allowance: What it may be called and cost in a minute.
    """

    def __init__(
        self,
        provider: Provider,
        settings: ProviderSettings,
        key: str,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.provider = provider
        self.settings = settings
        self.allowance = Allowance(
            provider.name,
            calls=settings.requests_per_minute,
            usd=settings.budget_usd_per_minute,
            clock=clock,
        )
        self._key = key
        self._lock = threading.Lock()
        self._client: liter_llm.DefaultClient | None = None

    def open(self) -> None:
        """Makes the client, once; blocks.

        Raises:
            ModelFailedError: liter-llm is not installed, or the key cannot be sent.
        """
        with self._lock:
            if self._client is None:
                self._client = self._make_client()

    async def call(
        self, site: CallSite, query: str, texts: Sequence[str], max_tokens: int
    ) -> tuple[list[float], Billing]:
        """Scores in the order of the texts, and what the provider says that they cost. One attempt.

        Raises:
            CallFailedError: There are none.
        """
        import liter_llm

        assert self._client is not None  # noqa: S101
        request = liter_llm.RerankRequest(
            model=f"{self.provider.prefix}/{site.model_id.partition('/')[2]}",
            query=query,
            # Voyage refuses the whole call for an empty text; a space is as good as nothing.
            documents=[liter_llm.RerankDocument.from_text(text or " ") for text in texts],
            return_documents=self.provider.return_documents,
            extra_body=json.dumps({self.provider.max_tokens_field: max_tokens}) if max_tokens else None,
        )
        try:
            answer = await liter_llm.rerank(self._client, request)
        except liter_llm.LiterLlmError as error:
            # Without the chain: its texts are the provider's, which may quote documents.
            raise self._failure(site, error) from None
        try:
            return read_scores(answer.results, len(texts)), read_billing(answer.meta)
        except MalformedAnswerError as error:
            logger.warning("answer cannot be used", extra={"model": site.model_id, "detail": str(error)})
            raise of_malformed_answer(site) from None

    def _failure(self, site: CallSite, error: liter_llm.LiterLlmError) -> CallFailedError:
        import liter_llm

        info = liter_llm.liter_llm_error_info(error)
        body = getattr(error, "message", "") if info.status_code else ""
        logger.warning(
            "provider refused or failed",
            extra={
                "model": site.model_id,
                "kind": info.error_type,
                "status": info.status_code,
                "detail": reason_in(body, self._key),
            },
        )
        if info.status_code:
            seconds = None if info.retry_after is None else info.retry_after / 1000
            return of_status(site, info.status_code, seconds)
        return of_connection(site) if info.is_transient else of_malformed_answer(site)

    def _make_client(self) -> liter_llm.DefaultClient:
        try:
            import liter_llm
        except ImportError as error:
            raise ModelFailedError(
                "models of providers need liter-llm, which is not installed; pip install 'rerankd[cloud]'"
            ) from error
        if not (self._key.isascii() and self._key.isprintable() and " " not in self._key):
            raise ModelFailedError(
                f"the key of {self.provider.name} has characters that cannot be sent; the operator must "
                f"check cloud.{self.provider.name}.api_key or {self.provider.key_variable}"
            )
        return liter_llm.create_client_with_options(
            liter_llm.ClientOptions(
                api_key=self._key,
                base_url=self.settings.base_url or self.provider.base_url,
                timeout_secs=_TIMEOUT_SECONDS,
                connect_timeout_secs=_CONNECT_TIMEOUT_SECONDS,
                # Repeating is ours: it ends with the caller's deadline and counts as calls of the minute.
                max_retries=0,
                max_response_bytes=_MAX_RESPONSE_BYTES,
                model_hint=self.provider.prefix,
            )
        )
