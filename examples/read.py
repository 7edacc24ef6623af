"""Reads an ADDS stream with zstandard and safetensors: python3 read.py photos.adds"""
import json, struct, sys
import zstandard
from safetensors.numpy import load

def messages(path):
    with open(path, "rb") as file, zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as stream:
        while head := stream.read(8):
            length = struct.unpack("<Q", head)[0]
            head += (text := stream.read(length))
            header = json.loads(text)
            record = json.loads(header.pop("__metadata__")["adds"])
            size = max((tensor["data_offsets"][1] for tensor in header.values()), default=0)
            yield record, load(head + stream.read(size))
    if record["record"] != "end":
        sys.exit(f"{path}: the stream ends early")

for record, tensors in messages(sys.argv[1]):
    path = bytes(tensors["path"]).decode(errors="replace") if "path" in tensors else ""
    print(record["record"], path, {name: tensor.shape for name, tensor in tensors.items()})
