"""The contract holds for every application in every profile of the rehearsal.

Only `make soak` has these tests: each deploys all applications with rsconnect, and runs the
contract through each path that leads to them. `make test-rehearsal` does the same.
"""

import pytest

from rehearsal.profiles import PROFILES, Profile
from tests.endurance import COUNTS
from tests.rehearsal.through_proxy import rehearse

if COUNTS.everything:

    @pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES.keys())
    def test_the_contract_holds_in_every_profile(profile: Profile) -> None:
        assert rehearse(profile) == []
