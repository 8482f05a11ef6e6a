"""The engine as an application of Ray Serve, whose proxies are the doors; needs the extra `ray`.

`rerankd.ray_serve:application` builds it; deploy/ray_serve says how to run it.
"""

from rerankd.ray_serve.application import SERVICERS, application

__all__ = ["SERVICERS", "application"]
