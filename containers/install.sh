#!/bin/bash
# What every definition's %post does: put the pinned packages of /opt/requirements.txt into /opt/brightcell, leave out
# what no job reads, and label the image with digests of what it was made from and of what it holds.
set -euo pipefail
echo "==> installing packages"
python3 -m venv /opt/brightcell
python=/opt/brightcell/bin/python
$python -m pip install --quiet --no-cache-dir --no-compile --require-hashes -r /opt/requirements.txt

cd "$($python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
echo "==> leaving out what no job reads"
# Tests of libraries, headers and sources to compile against, libclang (TensorFlow names it but does not load it).
find . -type d \( -name tests -o -name include \) -prune -exec rm -rf {} +
find . -type f \( -name '*.a' -o -name '*.h' -o -name '*.pyx' -o -name '*.pxd' \) -delete
rm -rf clang tensorflow/xla_aot_runtime_src
$python -m pip uninstall --quiet --yes pip

echo "==> listing licences"
# The names, versions and licences of all packages, with the texts that they bring.
$python - > /opt/licences.txt <<'END'
from importlib.metadata import distributions

for package in sorted(distributions(), key=lambda each: each.metadata["Name"].lower()):
    about = package.metadata
    named = [line for line in about.get_all("Classifier", []) if line.startswith("License ::")]
    licence = about.get("License-Expression") or "; ".join(named) or (about.get("License") or "see below").splitlines()[0]
    print("=" * 80, f"{about['Name']} {package.version}: {licence}", sep="\n")
    for file in package.files or []:
        if file.name.upper().startswith(("LICENSE", "LICENCE", "COPYING", "NOTICE")) and file.locate().is_file():
            print("-" * 80, file, "", file.locate().read_text(encoding="utf-8", errors="replace"), sep="\n")
END

{
  echo "definition $(cat /opt/definition /opt/install.sh | sha256sum | cut -c 1-64)"
  echo "packages $(sha256sum < /opt/requirements.txt | cut -c 1-64)"
  echo "contents $(find . -type f -not -path '*/__pycache__/*' -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c 1-64)"
} >> "$APPTAINER_LABELS"

echo "==> compiling bytecode"
# Bytecode: nobody can write it into the image later, and without it every start takes three times as long.
$python -m compileall -q -j 0 . >/dev/null || true  # templates of some packages are not Python
$python -m compileall -q -j 0 -x '/(test|lib2to3)/' "$($python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
