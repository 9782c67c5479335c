from interplay.check.game import assert_game, check_game
from interplay.check.team import assert_team, check_team
