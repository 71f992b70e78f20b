# What `examples/palimpsest` and the scripts in `bench` share: finding a JDK and building what is missing. Sourced, with
# `root` set to the folder of the repository.

fail() {
    echo "palimpsest: $1" >&2
    exit 2
}

# The version of the JDK in folder $1, from its release file; empty if there is none.
jdk_version() {
    [ -x "$1/bin/java" ] && [ -r "$1/release" ] || return 0
    sed -n 's/^JAVA_VERSION="\(.*\)"/\1/p' "$1/release"
}

# Folders that may hold a JDK, the likeliest first.
jdk_candidates() {
    local name
    for name in JAVA_HOME ${!JAVA_HOME_*} ${!JDK_*}; do
        [ -z "${!name-}" ] || printf '%s\n' "${!name}"
    done
    if name=$(command -v java); then
        name=$(readlink -f "$name" 2>/dev/null || true)
        printf '%s\n' "${name%/bin/java}"
    fi
    printf '%s\n' /usr/lib/jvm/* /usr/java/* /usr/local/java/* /opt/java/* /opt/jdk* \
        "${HOME-}"/.jdks/* "${HOME-}"/.sdkman/candidates/java/* "${HOME-}"/.gradle/jdks/* "${HOME-}"/.asdf/installs/java/* \
        "${HOME-}"/.local/share/mise/installs/java/* "${HOME-}"/.jabba/jdk/* \
        /Library/Java/JavaVirtualMachines/*/Contents/Home "${HOME-}"/Library/Java/JavaVirtualMachines/*/Contents/Home \
        /opt/homebrew/opt/openjdk*/libexec/openjdk.jdk/Contents/Home \
        /usr/local/opt/openjdk*/libexec/openjdk.jdk/Contents/Home
}

# Sets `java` to that of the first JDK that is new enough.
find_java() {
    local home version feature unsound=
    while IFS= read -r home; do
        version=$(jdk_version "$home")
        feature=${version%%[!0-9]*}
        [ "${feature:-0}" -ge 25 ] || continue
        case $version in
            25 | 25-* | 25.0.[012] | 25.0.[012][!0-9]*) unsound=${unsound:-"$version in $home"} ;;
            *)
                java=$home/bin/java
                return
                ;;
        esac
    done < <(jdk_candidates)
    [ -z "$unsound" ] || fail "JDK $unsound can move memory while native code uses it (JDK-8377811): install JDK 25.0.3 or later."
    fail "no JDK 25 found: install one, 25.0.3 or later, or set JAVA_HOME to its folder."
}

# Whether module $1 was built after the last change to any source it needs.
is_built() {
    local module sources=("$root/pom.xml")
    [ -e "$root/$1/target/launcher.built" ] && compgen -G "$root/$1/target/*.jar" >/dev/null || return 1
    for module in kernels tensor weights-loader models "$1"; do
        sources+=("$root/$module/pom.xml" "$root/$module/src/main")
    done
    [ -z "$(find "${sources[@]}" -newer "$root/$1/target/launcher.built" | head -n 1)" ]
}

# Builds module $1 and what it needs unless that is done.
build() {
    local target=$root/$1/target
    ! is_built "$1" || return 0
    echo "palimpsest: building" >&2
    mkdir -p "$target"
    rm -rf "$target"/lib "$target"/*.jar
    # what changes during the build is newer than this mark
    touch "$target/launcher.building"
    (cd "$root" && ./mvnw -q -B -pl "$1" -am package -Dmaven.test.skip=true -Djacoco.skip=true) >&2 || {
        echo "palimpsest: the build failed" >&2
        exit 1
    }
    mv "$target/launcher.building" "$target/launcher.built"
}
