"""Says what is wrong with Kubernetes objects by the schemas of Kubernetes and of custom resources, both strict: a field that
the schema does not know is a fault, though an API server would only drop it.

Usage: schemas.py DIRECTORY-OF-CRDS. Reads [{"name", "version", "text"}] as JSON, where text is YAML of one or more objects and
version is one of Kubernetes; writes {"objects": how many were looked at, "faults": [{"name", "version", "object", "path",
"says"}]}. Rules in CEL (x-kubernetes-validations) are not looked at.
"""

import functools
import json
import pathlib
import sys

import jsonschema
import kubernetes_validate
import yaml
from kubernetes_validate import utils

# The schemas' definitions are large and the same for all objects of a version.
utils.schema_contents = functools.cache(utils.schema_contents)
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def strict(schema):
    """The same schema, with every field refused that it does not name."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: strict(value) for key, value in schema.items()}
    properties = schema.get("properties")
    # A property may itself be called "properties"; then it is a schema, whose type is a word.
    if isinstance(properties, dict) and not isinstance(properties.get("type"), str):
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            schema.setdefault("additionalProperties", False)
    return schema


def custom_resources(directory):
    """A validator for each (apiVersion, kind) that the files of a directory define."""
    found = {}
    for path in sorted(pathlib.Path(directory).glob("*.yaml")):
        spec = yaml.load(path.read_text(), Loader)["spec"]
        for version in spec["versions"]:
            schema = strict(version["schema"]["openAPIV3Schema"])
            # Of metadata such a schema says only that it is an object; that of Kubernetes says the rest.
            schema["properties"]["metadata"] = {"type": "object"}
            key = (f"{spec['group']}/{version['name']}", spec["names"]["kind"])
            found[key] = jsonschema.Draft4Validator(schema)
    return found


def faults(custom, document, version):
    """Pairs of a path in the document and what is wrong there."""
    of_custom = custom.get((document["apiVersion"], document["kind"]))
    if of_custom:
        for error in of_custom.iter_errors(document):
            yield path(error), error.message
        # The metadata, as those of any other object.
        document = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": document["metadata"]}
    try:
        used = kubernetes_validate.validate(document, version, strict=True)
        if used != version:
            yield "", f"no schemas of Kubernetes {version}"
    except kubernetes_validate.ValidationError as error:
        yield path(error), error.message
    except kubernetes_validate.SchemaNotFoundError as error:
        yield "", error.message


def path(error):
    return ".".join(map(str, error.absolute_path))


def main():
    custom = custom_resources(sys.argv[1])
    seen, found = {}, []
    for each in json.load(sys.stdin):
        documents = list(yaml.load_all(each["text"], Loader))
        for document in filter(None, documents):
            # Most objects are the same from one set of values to the next.
            key = json.dumps([each["version"], document])
            if key not in seen:
                seen[key] = list(faults(custom, document, each["version"]))
            name = f"{document['kind']}/{document['metadata']['name']}"
            for where, says in seen[key]:
                fault = {"name": each["name"], "version": each["version"], "object": name}
                found.append(fault | {"path": where, "says": says})
    json.dump({"objects": len(seen), "faults": found}, sys.stdout)


main()
