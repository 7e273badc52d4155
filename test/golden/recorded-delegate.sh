#!/bin/sh
# A delegate for replays: notes how it was called in the directory that GOLDEN_STEP names, and answers what was recorded there
# for its name, command and interface: to its first call the first answer, and so on. Nothing recorded: it succeeds and says nothing, but
# for ADD, which fails without a note (the recording delegate that could not make its link did so, too). Its answer to VERSION is noted nowhere.
# It runs thousands of times: what the shell can do itself is done without a process.
if [ "$CNI_COMMAND" = VERSION ]; then
	exec cat "$GOLDEN_STEP/versions"
fi
# A file that is there already is not written: of calls at the same time each makes its own.
set -C
plugin=${0##*/}
key=$plugin-$CNI_COMMAND-$CNI_IFNAME
time=0
while ! true 2>/dev/null >"$GOLDEN_STEP/asked-$key-$time"; do
	time=$((time + 1))
done
answer=$GOLDEN_STEP/answer-$key-$time
if [ "$CNI_COMMAND" = ADD ] && [ ! -e "$answer" ]; then
	echo "no recorded ADD of $plugin at $CNI_IFNAME" >&2
	exit 1
fi
number=0
while ! true 2>/dev/null >"$GOLDEN_STEP/call-$number"; do
	number=$((number + 1))
done
call=$GOLDEN_STEP/call-$number
cat >"$call-stdin"
env >"$call-env"
printf '%s' "$plugin" >"$call-plugin"
[ -e "$answer" ] || exit 0
if [ -e "$answer/links" ]; then
	# Not "( … ) || exit": on the left of that the shell goes on after an error.
	(
		set -e
		. "$answer/links"
	)
	[ $? -eq 0 ] || exit 1
fi
cat "$answer/stdout"
read -r code <"$answer/exit"
exit "$code"
