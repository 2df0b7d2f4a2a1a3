"""What a user of the command line can mend: an error of this kind is one line to them, without a traceback.

Knows none of its kinds.
"""

from __future__ import annotations


class UserError(Exception):
    """Its text is one line that says what is wrong, and what was expected."""
