"""A build server tries the same examples every time, so that it judges the change and not the day; developers try new ones."""

import os

from hypothesis import settings

settings.register_profile("server", derandomize=True, deadline=None)
settings.register_profile("developer", deadline=None)
settings.load_profile("server" if os.environ.get("CI") else "developer")
