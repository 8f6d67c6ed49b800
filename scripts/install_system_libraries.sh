#!/usr/bin/env bash
# Install the shared libraries that Qt needs on Debian and Ubuntu, or say how.
#
#   install_system_libraries.sh [--tests]
#
# Nothing happens where they are present already, and on other systems than Linux, whose Qt wheels
# bring everything.  Exit status: 0, also if libraries stay missing (the command line works without
# them); with --tests 1, since the tests open windows.
set -euo pipefail

# What is looked for : Debian package that has it.
libraries=(
  libEGL.so.1:libegl1
  libGL.so.1:libgl1
  libxkbcommon.so.0:libxkbcommon0
  libxkbcommon-x11.so.0:libxkbcommon-x11-0
  libdbus-1.so.3:libdbus-1-3
  libfontconfig.so.1:libfontconfig1
  libfreetype.so.6:libfreetype6
  libglib-2.0.so.0:libglib2.0-0
  libxcb-cursor.so.0:libxcb-cursor0
  libxcb-icccm.so.4:libxcb-icccm4
  libxcb-image.so.0:libxcb-image0
  libxcb-keysyms.so.1:libxcb-keysyms1
  libxcb-randr.so.0:libxcb-randr0
  libxcb-render-util.so.0:libxcb-render-util0
  libxcb-shape.so.0:libxcb-shape0
  libxcb-xinerama.so.0:libxcb-xinerama0
  libxcb-xkb.so.1:libxcb-xkb1
  libX11-xcb.so.1:libx11-xcb1
)

[ "$(uname -s)" = Linux ] || exit 0

strict=0
[ "${1:-}" = --tests ] && strict=1

ldconfig_command=$(command -v ldconfig || echo /sbin/ldconfig)
missing() {
  local known
  known=$("$ldconfig_command" -p 2>/dev/null || true)
  for entry in "${libraries[@]}"; do
    grep -qF "${entry%%:*} " <<<"$known" || printf '%s\n' "${entry##*:}"
  done
  # Qt draws no text at all without a single font.
  if ! find /usr/share/fonts /usr/local/share/fonts "${HOME:-/nonexistent}/.fonts" \
      \( -name '*.ttf' -o -name '*.otf' \) -print -quit 2>/dev/null | grep -q .; then
    echo fonts-dejavu-core
  fi
}

mapfile -t packages < <(missing)
[ ${#packages[@]} -eq 0 ] && exit 0

command="apt-get install -y --no-install-recommends ${packages[*]}"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  as_root=(sudo -n)
fi
if command -v apt-get >/dev/null && { [ "$(id -u)" -eq 0 ] || sudo -n true 2>/dev/null; }; then
  echo "Installing system libraries that Qt needs: ${packages[*]}"
  export DEBIAN_FRONTEND=noninteractive
  # Not fatal here: a broken extra source must not stop us, the libraries are looked for again.
  ${as_root[@]+"${as_root[@]}"} apt-get update -qq </dev/null || true
  ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive $command -qq </dev/null >/dev/null 2>&1 || true
  mapfile -t packages < <(missing)
  [ ${#packages[@]} -eq 0 ] && exit 0
fi

echo "Qt's windows need system libraries that are not installed: ${packages[*]}" >&2
if command -v apt-get >/dev/null; then
  echo "Install them with:  sudo apt-get install -y --no-install-recommends ${packages[*]}" >&2
else
  echo "(Debian's package names; your distribution has them under similar ones.)" >&2
fi
exit "$strict"
