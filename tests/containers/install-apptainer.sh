#!/usr/bin/env bash
# Install Apptainer on Debian 12, which has no package of it: `sudo tests/containers/install-apptainer.sh`.
#
# The package of Debian's unstable release is unpacked, without its dependencies: those would bring a newer C library, and
# with it half of that release. Instead the few libraries that Apptainer's programs need in newer versions are laid beside
# them, and nothing else uses those. Elsewhere Apptainer is installed as its manual says.
set -euo pipefail

programs=/usr/lib/x86_64-linux-gnu/apptainer
libraries=$programs/libraries
newer=(libc6 libseccomp2 libsqlite3-0) # packages

fail() {
  echo "install-apptainer.sh: $*" >&2
  exit 1
}

if apptainer --version 2>/dev/null; then
  exit
fi
system=$(. /etc/os-release && echo "$ID ${VERSION_ID-}") || system=unknown
if [ "$system" != "debian 12" ] || [ "$(dpkg --print-architecture)" != amd64 ]; then
  fail "this is for Debian 12 on x86_64 alone ($system was found): install Apptainer as" \
    "https://apptainer.org/docs/admin/latest/installation.html says"
fi
[ "$(id -u)" = 0 ] || fail "only root can install packages"

work=$(mktemp --directory)
trap 'rm -rf "$work"' EXIT

# Debian's own packages: what Apptainer calls when it runs, and patchelf, which is needed here alone.
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends patchelf squashfs-tools squashfuse fuse2fs fuse-overlayfs uidmap >/dev/null

# The mirror is the one that this machine uses; apt looks at unstable in a folder of its own, so that the system's lists
# and what it upgrades to stay as they are.
mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Component: main' | grep -v security | head -n 1)
[ -n "$mirror" ] || fail "apt names no mirror in its sources"
mkdir -p "$work"/{lists,cache/archives}/partial "$work"/{packages,unpacked}
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror unstable main" >"$work/sources.list"
unstable() {
  apt-get -qq -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work/cache" -o APT::Sandbox::User=root "$@"
}
unstable update
(cd "$work/packages" && unstable download apptainer "${newer[@]}")

for package in "${newer[@]}"; do
  dpkg-deb --extract "$work/packages/${package}"_*.deb "$work/unpacked"
done
dpkg-deb --fsys-tarfile "$work"/packages/apptainer_*.deb |
  tar --extract --directory / --no-same-owner --keep-directory-symlink --exclude './usr/share/doc*'
mkdir -p "$libraries"
for name in ld-linux-x86-64 libc libm libresolv libnss_dns libnss_files libseccomp libsqlite3; do
  cp --no-dereference "$work"/unpacked/usr/lib/x86_64-linux-gnu/$name.so.* "$libraries"
done
# RPATH, not the RUNPATH that patchelf sets by itself: the libraries must find one another, too.
for program in /usr/bin/apptainer "$programs/bin/starter"; do
  patchelf --set-interpreter "$libraries/ld-linux-x86-64.so.2" --force-rpath --set-rpath "$libraries" "$program"
done

# Snakemake and spython look for the older name.
ln -sf apptainer /usr/bin/singularity
# Ids for --fakeroot.
for file in /etc/subuid /etc/subgid; do
  grep -q '^root:' $file || echo root:100000:65536 >>$file
done
# Root of a virtual machine or a container may lack capabilities that Apptainer would hand on.
apptainer config global --set "root default capabilities" no
apptainer --version
