#!/bin/sh
# A delegate for replays: notes how it was called in the directory that GOLDEN_STEP names, and answers what was recorded there
# for its name, command and interface: to its first call the first answer, and so on. Nothing recorded: it succeeds and says nothing, but
# for ADD, which fails without a note (the recording delegate that could not make its link did so, too). What it says to VERSION is noted nowhere.
if [ "$CNI_COMMAND" = VERSION ]; then
	cat "$GOLDEN_STEP/versions"
	exit
fi
plugin=${0##*/}
key=$plugin-$CNI_COMMAND-$CNI_IFNAME
time=0
while ! mkdir "$GOLDEN_STEP/asked-$key-$time" 2>/dev/null; do
	time=$((time + 1))
done
answer=$GOLDEN_STEP/answer-$key-$time
if [ "$CNI_COMMAND" = ADD ] && [ ! -e "$answer" ]; then
	echo "no recorded ADD of $plugin at $CNI_IFNAME" >&2
	exit 1
fi
number=0
while ! mkdir "$GOLDEN_STEP/call-$number" 2>/dev/null; do
	number=$((number + 1))
done
call=$GOLDEN_STEP/call-$number
cat >"$call/stdin"
env | grep '^CNI_' >"$call/env"
printf '%s' "$plugin" >"$call/plugin"
[ -e "$answer" ] || exit 0
if [ -e "$answer/links" ]; then
	sh -e "$answer/links" || exit 1
fi
cat "$answer/stdout"
exit "$(cat "$answer/exit")"
