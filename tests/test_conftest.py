"""The promises that `conftest.py` makes to every other test."""

from __future__ import annotations

import socket

import jax
import jax.numpy as jnp
import pytest
from jaxtyping import TypeCheckError

from jaxheads.config import ReadoutConfig


def test_the_network_is_off():
    with socket.socket() as outside, pytest.raises(OSError, match="network is off"):
        outside.connect(("192.0.2.1", 80))
    with pytest.raises(socket.gaierror, match="network is off"):
        socket.create_connection(("hub.example", 443))


def test_this_machine_can_still_be_reached():
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()[:2]) as client:
            assert client.getpeername() == server.getsockname()


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="the devices are real here")
def test_there_are_eight_devices():
    assert jax.device_count() == 8
    assert jnp.ones(3).devices() == {jax.devices()[0]}


def test_types_are_checked():
    with pytest.raises(TypeCheckError):
        ReadoutConfig(kind="masked_lm", tied="yes")


def test_asking_for_the_shared_data_sets_the_marker(shared_data, request):
    assert request.node.get_closest_marker("data")
    assert (shared_data / "README.md").is_file()
