"""BUILD macros: one call states what a package is, its version, and what it may import."""

_NAMESPACE = "jetl2"


def package(
    name,
    version,
    description,
    imports=(),
    below=(),
    wheels=(),
    layers=(),
    scanned=(),
    scripts=None,
    fixtures=(),
    kind="library",
):
    """Declare one independently versioned package in the folder of this BUILD file.

    Args:
        name: The package's folder and its module under `jetl2`.
        version: Its version, the only place where it stands.
        description: One sentence, for the wheel.
        imports: Folders of the packages that its modules may import.
        below: Folders of packages that those need in turn; tests may import them.
        wheels: Third-party distributions that its modules may import; development packages
            may import any.
        layers: What some files may import, narrower: (files, the package's files, wheels).
        scanned: Folders whose modules are found at run time, so that no import names them.
        scripts: Console scripts of the wheel: name -> "module:function".
        fixtures: Files outside of `tests` that tests read.
        kind: "library", "service" (PEX that runs `__main__`), "job" (PEX that Spark runs
            `main.py` with), or "development" (never released, imported by tests only).
    """
    inside = f"{_NAMESPACE}/{name}"
    here = f"/{inside}"
    sources_of = lambda folders: [f"//{folder}/{_NAMESPACE}/**" for folder in folders]
    outside = sources_of(imports)
    own = ["/:resources", *(f"/:{folder}" for folder in scanned)]
    third_party = lambda names: [f"//3rdparty/python#{wheel}" for wheel in names]
    testkit = "//libs/testkit/**"
    any_wheel = "//3rdparty/**"

    # Services and jobs meet in topics, S3 and gRPC, never in an import; what is for development is
    # seen by tests and by its like
    seen_by = {
        "service": ["/**"],
        "job": ["/**"],
        "development": [
            "/**",
            "//libs/devstack/**",
            "//libs/testkit/**",
            "//libs/campaign/**",
            "//*/*/tests/**",
        ],
    }

    __dependencies_rules__(
        *(
            (
                f"{here}/{files}",
                [f"{here}/{f}" for f in allowed],
                own,
                outside,
                third_party(names),
                "!*",
            )
            for files, allowed, names in layers
        ),
        (
            f"{here}/**",
            f"{here}/**",
            own,
            outside,
            any_wheel if kind == "development" else third_party(wheels),
            "!*",
        ),
        ("/tests/**", "/**", outside, sources_of(below), testkit, any_wheel, "!*"),
        ("*", "*"),
    )
    __dependents_rules__(
        ("/tests/**", "/**", "!*"),
        *([("*", *seen_by[kind], "!*")] if kind in seen_by else []),
        ("*", "*"),
    )

    python_sources(
        name="src",
        sources=[
            f"{inside}/**/*.py",
            f"{inside}/**/*.pyi",
            *(f"!{inside}/{folder}/[!_]*.py" for folder in scanned),
        ],
        dependencies=[":resources"],
        overrides={
            f"{inside}/{folder}/__init__.py": {"dependencies": [f":{folder}"]} for folder in scanned
        },
    )
    for folder in scanned:
        python_sources(name=folder, sources=[f"{inside}/{folder}/[!_]*.py"])
    resources(
        name="resources",
        sources=[
            f"{inside}/**/{pattern}"
            for pattern in ("py.typed", "*.avsc", "*.proto", "*.jsonl", "*.json", "*.txt", "*.xml")
        ],
    )

    # Spark brings pyspark itself; what needs it at run time is tested under Spark, in tests/integration
    without = ["!!//3rdparty:python#pyspark"] if kind == "job" else []
    python_tests(
        name="tests",
        sources=["tests/**/test_*.py", "!tests/integration/**"],
        # All sources, since some tests start modules as processes, which no import names
        dependencies=[":src", ":fixtures", *without],
        timeout=900,
        # One pytest process a package: starting one takes longer than most files
        batch_compatibility_tag=name,
    )
    python_test_utils(
        name="test_utils",
        sources=["tests/**/*.py", "!tests/**/test_*.py", "!tests/integration/**"],
    )
    resources(
        name="fixtures",
        sources=["tests/**/*", "!tests/**/*.py", "README.md", "CHANGELOG.md", *fixtures],
    )

    if kind == "development":
        return
    python_distribution(
        name="dist",
        dependencies=[":src", *without],
        provides=python_artifact(
            name=f"{_NAMESPACE}-{name}", version=version, description=description
        ),
        long_description_path=f"{build_file_dir()}/README.md",
        entry_points={
            "console_scripts": {
                script: f"{_NAMESPACE}.{name}.{function}"
                for script, function in (scripts or {}).items()
            }
        },
    )
    parts = [":dist", *(f"{folder}:dist" for folder in (*imports, *below))]
    if kind == "service":
        pex_binary(
            name="pex",
            entry_point=f"{inside}/__main__.py",
            dependencies=parts,
            # Unpacked once as a virtual environment: a service that was killed starts again in a
            # fraction of the time that the zip takes each time
            execution_mode="venv",
            output_path=f"{name}.pex",
        )
    if kind == "job":
        # An interpreter with the packages, for PYSPARK_PYTHON: with an entry point it would start
        # itself again for each worker; and Spark offers pyspark by PYTHONPATH
        pex_binary(
            name="pex",
            dependencies=[*parts, *without],
            inherit_path="fallback",
            output_path=f"{name}.pex",
        )
        files(name="main", sources=["main.py"])
        relocated_files(
            name="archived_main", files_targets=[":main"], src=f"{build_file_dir()}", dest=""
        )
        archive(
            name="job",
            packages=[":pex"],
            files=[":archived_main"],
            # From a plain .tar Spark unpacks the PEX without its right to be executed (SPARK-38632)
            format="tar.gz",
            output_path=f"{name}-job.tar.gz",
        )
