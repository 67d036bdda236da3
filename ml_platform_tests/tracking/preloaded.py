"""What the fresh processes of these tests have imported before they start."""

from ml_platform.tracking._client import import_quietly

import_quietly()
